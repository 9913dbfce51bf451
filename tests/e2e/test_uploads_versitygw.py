#!/usr/bin/env python3
"""Large files on versitygw, which heeds If-None-Match when it completes an upload."""
import upload_checks
import versitygw

upload_checks.main(versitygw)
