"""Who signed the release's bytes, and what else is signed about them (``shared/supply-chain.md``).

Functions of bytes: what is fetched from registries and logs is fetched by the hands. Only ``refresh`` reaches out, in a
process of its own. ``sigstore`` takes 0.6 s to import, so it is imported inside functions.
"""
