"""The rules of metering, pure: no clock, no network, no storage. Time and settings are arguments."""
