"""Identity and permission in the sandbox: policies, roles, conditions, service accounts."""
