#!/usr/bin/env python3
"""Large files on Ceph's radosgw."""
import radosgw
import upload_checks

upload_checks.main(radosgw, "radosgw is not installed (apt-get install radosgw ceph-mon ceph-osd ceph-common)")
