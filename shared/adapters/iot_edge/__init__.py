"""Devices of Azure IoT Edge, through the REST API of their IoT hub."""
