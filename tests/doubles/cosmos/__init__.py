"""A strict double of Azure Cosmos DB for NoSQL's REST protocol, as far as Slipway uses it.

It answers what the service answers to what the real azure-cosmos client sends, and refuses everything else with 400.
Sources: Microsoft's REST reference ("Azure Cosmos DB: REST API Reference"), the azure-cosmos client's own code.
"""

from __future__ import annotations

from tests.doubles.cosmos.server import CosmosDouble

__all__ = ["CosmosDouble"]
