"""The composition root: one module for each kind of function, with its collaborators and the function that makes them.

Each has a frozen dataclass, ``<Kind>Deps``, and a function ``<kind>_deps()`` that makes it from the environment. A handler
calls it once, at the cold start, and a missing setting stops the cold start. The modules are apart so that no function
imports a library that it does not use. Settings, secrets and telemetry, which several of them need, are beside them.
"""
