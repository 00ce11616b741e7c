"""A private Sigstore: an authority made on the spot, and whoever signs with it as a GitHub workflow would."""
