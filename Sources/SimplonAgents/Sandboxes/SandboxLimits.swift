/// What one sandbox may use.
///
/// Beyond memory, disk or time it is killed; beyond the rest the tool gets an error.
package struct SandboxLimits: Sendable, Hashable {
  /// Bytes of memory, what is in `/tmp` included.
  ///
  /// By control group where there is one, else per process.
  package var memory = 1 << 30
  /// Processes and threads.
  package var processes = 128
  /// Thousandths of one CPU.
  package var cpu = 1000
  /// Bytes in `/tmp` and in `/dev/shm`, each.
  package var temporary = 256 << 20
  /// Bytes in the work folder.
  package var workBytes = 1 << 30
  /// Files, folders and links in the work folder.
  package var workFiles = 10_000
  /// Bytes that must stay free on the work folder's disk.
  package var minimumFree = 512 << 20
  /// Bytes of stdout, and of stderr, that are passed on; what comes after is dropped.
  package var output = 1 << 20
  /// Open files per process.
  package var descriptors = 1024

  /// Makes the default limits.
  package init() {}
}
