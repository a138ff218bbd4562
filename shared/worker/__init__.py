"""What a job of Slipway's own image does: the capabilities of one machine, on files of Blob Storage."""
