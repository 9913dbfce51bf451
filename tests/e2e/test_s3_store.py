#!/usr/bin/env python3
"""The S3 store on Ceph's radosgw."""
import radosgw
import store_checks

store_checks.main(radosgw, "radosgw is not installed (apt-get install radosgw ceph-mon ceph-osd ceph-common)")
