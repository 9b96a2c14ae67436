/// One program to run in a sandbox.
struct SandboxJob: Sendable {
  /// Path and arguments, as they are inside.
  var command: [String]
  /// The whole environment; nothing else is in it.
  var environment: [String: String]
  /// The folder that appears writable at `/work`; absolute.
  var work: String
  /// The folder that appears read-only at `/simplon`; absolute.
  var call: String
  /// When it is killed, from its start.
  var timeout: Duration
}

/// Which of a program's two outputs.
enum SandboxStream: String, Sendable {
  case stdout, stderr
}

/// How a program ended.
struct SandboxExit: Sendable, Hashable {
  /// Why, in the guard's letters.
  enum Reason: UInt8, Sendable {
    /// By itself.
    case exited = 0x65
    /// Its time was up.
    case timeout = 0x74
    /// The worker's lease was up.
    case lease = 0x6C
    /// It passed a limit of the work folder.
    case disk = 0x64
    /// It passed the limit of memory.
    case memory = 0x6D
    /// The guard was told to stop.
    case killed = 0x6B
    /// It was never started.
    case failed = 0x66
  }

  /// Why it ended.
  var reason: Reason
  /// As a shell has it: 128 and the signal's number for one that was killed.
  var code: Int
  /// From start to end.
  var duration: Duration
  /// The streams that passed the cap.
  var truncated: Set<SandboxStream>
  /// The version of the control group that it was in; 0 for none.
  var cgroup: Int
  /// A sentence of the guard's, often empty.
  var message: String
}
