"""The review after 30 days: days summed up one by one, and the criteria over all of them."""
