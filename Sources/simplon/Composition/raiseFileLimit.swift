#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Lets the process have as many open files as it may.
///
/// The usual 1,024 are for programs that still use `select`; each stream is one. A million is enough, and programs that
/// close every possible descriptor one by one stay quick.
func raiseFileLimit() {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
  limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 1 << 20))
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
