"""The judge: turns what was observed into GO or NO-GO, and takes traffic back on the first p0 failure."""
