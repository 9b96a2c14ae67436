import Glibc

/// Lets the process have as many open files as it may.
///
/// The usual 1,024 are for programs that still use `select`; each stream is one. A million is enough, and programs that
/// close every possible descriptor one by one stay quick.
///
/// - Returns: how many it may have.
@discardableResult
func raiseFileLimit() -> Int {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
  limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 1 << 20))
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  return Int(clamping: limit.rlim_cur)
}

/// How many connections a server may hold that may have so many files open.
///
/// Each may be sent a file, hence two for one. The rest, up to half of all, is for the database and for the pipes of
/// programs, which must not fail because strangers connect.
func connectionLimit(files: Int) -> Int { max(1, (files - min(8192, files / 2)) / 2) }
