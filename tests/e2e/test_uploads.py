#!/usr/bin/env python3
"""Large files on Ceph's radosgw."""
import radosgw
import upload_checks

upload_checks.main(radosgw)
