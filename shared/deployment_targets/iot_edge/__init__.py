"""What is told to devices of Azure IoT Edge, and what is read back."""
