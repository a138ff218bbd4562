"""Where models are brought from: https, S3."""
