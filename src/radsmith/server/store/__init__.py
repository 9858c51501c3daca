"""What is kept: settings, database and its schema, blobs, keys, the audit trail."""
