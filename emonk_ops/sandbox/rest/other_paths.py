"""Older versions of an API whose requests mean the same as those of the version that is served.

method -> (verb, path template, body)
"""

from __future__ import annotations

OTHER_PATHS: dict[str, tuple[tuple[str, str, str], ...]] = {
    # Cloud Resource Manager v1, which `gcloud projects …-iam-policy…` speaks.
    "/google.cloud.resourcemanager.v3.Projects/GetIamPolicy": (
        ("POST", "/v1/{resource=projects/*}:getIamPolicy", "*"),
    ),
    "/google.cloud.resourcemanager.v3.Projects/SetIamPolicy": (
        ("POST", "/v1/{resource=projects/*}:setIamPolicy", "*"),
    ),
    "/google.cloud.resourcemanager.v3.Projects/TestIamPermissions": (
        ("POST", "/v1/{resource=projects/*}:testIamPermissions", "*"),
    ),
    # Cloud Run v1, which `gcloud run services …-iam-policy…` speaks.
    "/google.cloud.run.v2.Services/GetIamPolicy": (
        ("GET", "/v1/{resource=projects/*/locations/*/services/*}:getIamPolicy", ""),
    ),
    "/google.cloud.run.v2.Services/SetIamPolicy": (
        ("POST", "/v1/{resource=projects/*/locations/*/services/*}:setIamPolicy", "*"),
    ),
    "/google.cloud.run.v2.Services/TestIamPermissions": (
        ("POST", "/v1/{resource=projects/*/locations/*/services/*}:testIamPermissions", "*"),
    ),
}
