"""The events Slipway publishes: Azure ML's own types and payloads, and Slipway's own."""
