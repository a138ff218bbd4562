"""Files as streams of Arrow record batches, one module a format."""
