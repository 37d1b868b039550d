"""Dependencies: settings, secrets, telemetry, and the composition root that makes production collaborators."""
