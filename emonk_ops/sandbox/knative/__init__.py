"""Cloud Run's v1 dialect (serving.knative.dev/v1), which `gcloud run` speaks, over the v2 methods.

Nothing is kept here: each request becomes calls of google.cloud.run.v2, through the same
interceptors, and each answer is translated. `resourceVersion` is v2's etag.
"""
