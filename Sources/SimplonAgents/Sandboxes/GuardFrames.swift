import SimplonCore

/// The frames that the guard reads; `internal.h` of CSandboxGuard describes them.
enum GuardFrame {
  /// A type, four bytes of length, the payload.
  static func frame(_ type: Unicode.Scalar, _ payload: [UInt8] = []) -> [UInt8] {
    [UInt8(ascii: type)] + bytes(UInt32(truncatingIfNeeded: payload.count)) + payload
  }

  /// A new deadline.
  static func lease(_ deadline: UInt64) -> [UInt8] { frame("L", bytes(deadline)) }

  /// Everything a guard needs to start; without bubblewrap's path the program runs with no sandbox.
  static func start(
    _ job: SandboxJob, bwrap: String?, arguments: [String], limits: SandboxLimits, user: SandboxUser,
    cgroup: UInt64, deadline: UInt64
  ) -> [UInt8] {
    let numbers: [UInt64] = [
      0, UInt64(user.uid), UInt64(user.gid), cgroup, word(limits.memory), word(limits.processes),
      word(limits.cpu), word(limits.workBytes), word(limits.workFiles), word(limits.minimumFree),
      word(limits.output), UInt64(max(1, job.timeout.milliseconds)), deadline, word(limits.descriptors),
    ]
    var out = frame("N", numbers.flatMap { bytes($0) })
    if let bwrap { out += frame("B", Array(bwrap.utf8)) }
    for argument in arguments { out += frame("A", Array(argument.utf8)) }
    for (name, value) in job.environment.sorted(by: { $0.key < $1.key }) {
      out += frame("E", Array("\(name)=\(value)".utf8))
    }
    for item in job.command { out += frame("C", Array(item.utf8)) }
    out += frame("W", Array(job.work.utf8)) + frame("I", Array(job.call.utf8)) + frame("G")
    return out
  }

  private static func word(_ number: Int) -> UInt64 { UInt64(max(0, number)) }

  private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }
}

/// Puts the guard's frames together from pieces of any size.
struct GuardFrameReader {
  /// What the guard says.
  enum Frame {
    case output(SandboxStream, [UInt8])
    case exit(SandboxExit)
  }

  private var buffer = [UInt8]()
  private var at = 0

  /// Adds what was read.
  mutating func add(_ bytes: some Sequence<UInt8>) {
    if at > 0 { buffer.removeFirst(at) }
    at = 0
    buffer.append(contentsOf: bytes)
  }

  /// The next whole frame, or nil until more was added.
  ///
  /// - Throws: `server.internal` when it is not one of the guard's.
  mutating func next() throws(SimplonError) -> Frame? {
    guard buffer.count - at >= 5 else { return nil }
    let length = Int(number(at: at + 1, as: UInt32.self))
    guard buffer.count - at - 5 >= length else { return nil }
    let type = buffer[at]
    let start = at + 5
    at = start + length
    switch Unicode.Scalar(type) {
    case "O": return .output(.stdout, Array(buffer[start..<at]))
    case "E": return .output(.stderr, Array(buffer[start..<at]))
    case "X":
      guard length >= 16, let reason = SandboxExit.Reason(rawValue: buffer[start]) else { break }
      var truncated = Set<SandboxStream>()
      if buffer[start + 2] & 1 != 0 { truncated.insert(.stdout) }
      if buffer[start + 2] & 2 != 0 { truncated.insert(.stderr) }
      return .exit(
        SandboxExit(
          reason: reason, code: Int(number(at: start + 4, as: Int32.self)),
          duration: .nanoseconds(Int64(clamping: number(at: start + 8, as: UInt64.self))), truncated: truncated,
          cgroup: Int(buffer[start + 1]), message: String(decoding: buffer[(start + 16)..<at], as: UTF8.self)))
    default: break
    }
    throw SimplonError(.serverInternal, "a sandbox's guard said something that is not known")
  }

  private func number<Number: FixedWidthInteger>(at start: Int, as: Number.Type) -> Number {
    var value: Number = 0
    for index in (0..<MemoryLayout<Number>.size).reversed() {
      value = value << 8 | Number(truncatingIfNeeded: buffer[start + index])
    }
    return value
  }
}
