"""OCI images without a Docker daemon: layers, manifests, bills of materials, build contexts; the same bytes always."""
