"""The OpenMeter adapter: its wire format, in our own terms."""
