import CoreMetrics
import FoundationEssentials
import Glibc
import Logging
import SimplonCore
import Testing

@testable import SimplonAgents

/// A folder of one test, gone with it.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = "/tmp/simplon-test-\(getpid())-\(UUID().uuidString.prefix(8))"
    // Another user's guard must be able to pass.
    try #require(mkdir(path, 0o711) == 0)
  }

  deinit { FolderRemoval.remove(path) }
}

/// Who runs the guard, and with which limits: every protection must hold under each.
enum Setting: String, CaseIterable, CustomTestStringConvertible {
  /// As we are, with control groups where there are any.
  case best
  /// As we are, with limits per process only.
  case rlimits
  /// As another user, who is nobody special.
  case otherUser

  var testDescription: String { rawValue }

  /// Those that can be tried here: only root can become somebody else.
  static var usable: [Setting] { geteuid() == 0 ? allCases : [.best, .rlimits] }
}

/// A tool box with a real sandbox.
struct Playground {
  let folder: TemporaryFolder
  let box: ToolBox
  var sandbox: Sandbox { box.sandbox }
  var blobs: BlobStore { box.blobs }

  /// Whether this machine has control groups that we can use: found out by a real run, once.
  private static let groups = Task {
    [SandboxLevel.Kind.cgroup1, .cgroup2].contains(try await Playground().sandbox.level.kind)
  }

  /// For a test that needs them; where there are none it is shown as skipped.
  static var hasGroups: Bool { get async throws { try await groups.value } }

  /// The executable that holds the guard lies beside the tests.
  static let executable: String = {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let own = String(decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    return String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)]) + "/simplon"
  }()

  init(
    _ setting: Setting = .best, allowUnsandboxed: Bool = false, bwrap: String = "/usr/bin/bwrap",
    atOnce: Int = 64, metrics: (any MetricsFactory)? = nil,
    _ change: (inout SandboxLimits) -> Void = { _ in }
  ) async throws {
    folder = try TemporaryFolder()
    var configuration = Sandbox.Configuration(
      guardCommand: [Self.executable, "__guard"], folder: folder.path + "/running")
    configuration.limits.minimumFree = 1 << 20
    configuration.allowUnsandboxed = allowUnsandboxed
    configuration.bwrap = bwrap
    configuration.atOnce = atOnce
    configuration.metrics = metrics
    change(&configuration.limits)
    switch setting {
    case .best: break
    case .rlimits: configuration.cgroup = 0
    case .otherUser:
      configuration.user = SandboxUser(uid: 54_321, gid: 54_321)
      configuration.guardCommand.insert(
        contentsOf: ["/usr/bin/setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"], at: 0)
    }
    let sandbox = await Sandbox.probe(configuration, logger: .quiet)
    box = ToolBox(sandbox: sandbox, blobs: try BlobStore(root: folder.path + "/blobs"), logger: .quiet)
  }

  /// Runs python code and gives what came of it.
  @discardableResult
  func python(
    _ code: String, input: JSON = .null, env: [String: String] = [:], timeout: Duration = .seconds(30),
    layers: [LayerStack.Layer] = [], lease: Lease = .long, log: @escaping @Sendable (LogLine) -> Void = { _ in }
  ) async throws -> ToolResult {
    try await call(
      "python", ["code": .string(code), "input": input, "env": .object(env.mapValues { .string($0) })],
      timeout: timeout, layers: layers, lease: lease, log: log)
  }

  /// Runs a shell script and gives what came of it.
  @discardableResult
  func shell(
    _ command: String, timeout: Duration = .seconds(30), layers: [LayerStack.Layer] = [], lease: Lease = .long,
    log: @escaping @Sendable (LogLine) -> Void = { _ in }
  ) async throws -> ToolResult {
    try await call("shell", ["command": .string(command)], timeout: timeout, layers: layers, lease: lease, log: log)
  }

  /// Calls any tool.
  func call(
    _ tool: String, _ input: JSON, timeout: Duration = .seconds(30), layers: [LayerStack.Layer] = [],
    lease: Lease = .long, log: @escaping @Sendable (LogLine) -> Void = { _ in }
  ) async throws -> ToolResult {
    try await box.run(
      tool: tool,
      ToolCall(
        runID: UUID(), stepID: "step", attempt: 1, userID: nil, input: input, timeout: timeout,
        layers: LayerStack(layers), lease: lease),
      log: log)
  }
}

extension Lease {
  /// One that outlives every test.
  static var long: Lease {
    let lease = Lease()
    lease.extend(by: .seconds(600), from: now())
    return lease
  }
}

extension ToolResult {
  var stdout: String { output["stdout"]?.string ?? "" }
  var stderr: String { output["stderr"]?.string ?? "" }
  var exitCode: Int? { output["exit_code"]?.integer }
}

/// The processes of this machine whose command line holds a text.
func processes(with mark: String) -> [pid_t] {
  guard let proc = try? File("/proc", O_RDONLY | O_DIRECTORY, for: "list processes"), let names = try? proc.names()
  else {
    return []
  }
  return names.compactMap { name in
    guard let pid = name.text.flatMap({ pid_t($0) }),
      let file = try? File("/proc/\(pid)/cmdline", O_RDONLY, for: "read a command line"), let bytes = try? file.read()
    else { return nil }
    return String(decoding: bytes, as: UTF8.self).contains(mark) ? pid : nil
  }
}

/// Waits until something is so; false when it is not within the time.
func eventually(within time: Duration = .seconds(10), _ condition: () -> Bool) async -> Bool {
  let end = ContinuousClock.now + time
  while ContinuousClock.now < end, !Task.isCancelled {
    if condition() { return true }
    try? await Task.sleep(for: .milliseconds(5))
  }
  return condition()
}

/// A number that appears in no other test's command lines, to be slept for.
func uniqueMark() -> String { "9\(UInt32.random(in: 100_000_000...999_999_999))" }

extension Logger {
  static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
