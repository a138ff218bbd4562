"""Container registries, by the OCI distribution protocol."""

from shared.adapters.registry.auth import Credentials
from shared.adapters.registry.client import DistributionRegistry
from shared.packaging.reference import Reference, parse_reference

__all__ = ["Credentials", "DistributionRegistry", "Reference", "parse_reference"]
