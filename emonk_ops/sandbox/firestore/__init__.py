"""Cloud Firestore of the sandbox (google.firestore.v1), in memory and on the sandbox's file."""
