# For idp: the 19 MiB of a password's hash in ten pages of memory instead of five thousand, which are a third of its time.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
