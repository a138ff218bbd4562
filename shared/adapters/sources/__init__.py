"""Where models and data are brought from: https, S3."""
