#!/usr/bin/env python3
"""Smoke runs with a folder as store."""
import smoke_checks

smoke_checks.main(smoke_checks.with_folder)
