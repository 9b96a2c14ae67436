import FoundationEssentials
import Metrics
import SimplonCore
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The sandboxes that live on this machine, whichever worker has started them.
///
/// A guard's command line says for which run it stands, and in which epoch. So one that a dead worker has left is seen too.
final class SandboxGuards: Sendable {
  private let folder: String
  private let queue: QueueStore
  /// The guards that stood for no lease when they were last looked at.
  private let withoutLease = Mutex<Set<Int>>([])

  /// Those whose folders of running steps are made there.
  init(folder: String, queue: QueueStore) {
    self.folder = folder
    self.queue = queue
  }

  /// Counts the sandboxes that outlive their leases, as a metric: those without one now and the last time.
  func count() async throws {
    let found = try await offPool { [folder] in Self.runs(in: folder) }
    let leased = try await queue.leased(Array(found.values))
    let without = Set(found.filter { !leased.contains($0.value) }.keys)
    let before = withoutLease.withLock { last in
      defer { last = without }
      return last
    }
    Gauge(label: "simplon_sandboxes_without_lease").record(before.intersection(without).count)
  }

  /// What a guard gets on its command line; nothing where the lease is nobody's.
  static func mark(_ lease: Lease, in folder: String) -> [String] {
    lease.name.isEmpty ? [] : [folder, lease.name]
  }

  /// The runs that have a sandbox now, by the process ids of their guards; none where there is no `/proc`.
  ///
  /// The folder is where those of running steps are made: guards of other installations are left out.
  static func runs(in folder: String) -> [Int: HeldRun] {
    var found = [Int: HeldRun]()
    guard let processes = try? File("/proc", O_RDONLY | O_DIRECTORY, for: "look for sandboxes") else { return found }
    for name in (try? processes.names()) ?? [] {
      guard let process = name.text.flatMap({ Int($0) }) else { continue }
      let words = Array(commandLine(of: process).suffix(3))
      guard words.count == 3, words[0] == "__guard", words[1] == folder, let run = HeldRun(name: words[2])
      else { continue }
      found[process] = run
    }
    return found
  }

  /// A process's words; none where it has ended meanwhile.
  private static func commandLine(of process: Int) -> [String] {
    guard let file = try? File("/proc/\(process)/cmdline", O_RDONLY, for: "look for sandboxes") else { return [] }
    guard let bytes = try? file.read(upTo: 8192) else { return [] }
    return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }
}

extension HeldRun {
  /// Its id and epoch as one word.
  var name: String { "\(id.uuidString.lowercased())/\(epoch)" }

  /// Reads ``name``; nil where it is none.
  init?(name: String) {
    let parts = name.split(separator: "/")
    guard parts.count == 2, let id = UUID(uuidString: String(parts[0])), let epoch = Int(parts[1]) else { return nil }
    self.init(id: id, epoch: epoch)
  }
}
