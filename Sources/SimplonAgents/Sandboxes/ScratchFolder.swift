import FoundationEssentials
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// This process's own place for the folders of running steps.
///
/// It goes with the process: what a killed one left is removed at the next start, known by a lock that nobody holds any
/// more.
final class ScratchFolder: Sendable {
  private static let prefix = "worker-"
  private let path: String
  private let lock: CInt

  /// Makes it, and removes those of dead processes.
  ///
  /// - Throws: `storage.unavailable`, `storage.full`.
  init(in root: String) throws(SimplonError) {
    try File.makeFolders(root, mode: 0o711, for: "make the folder for running steps")
    let name = UUID().uuidString.lowercased()
    path = "\(root)/\(Self.prefix)\(name)"
    // Made under another name, so that nobody sees it before it is locked. Others may pass through, as a tool's user must
    // where mounts cannot be made, but see no names.
    let making = "\(root)/.\(name)"
    guard mkdir(making, 0o711) == 0 else { throw .storage("make the folder for running steps") }
    lock = open(making + "/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0, rename(making, path) == 0 else {
      throw .storage("lock the folder for running steps")
    }
    try Self.removeAbandoned(root)
  }

  deinit {
    FolderRemoval.remove(path)
    close(lock)
  }

  /// Makes a folder for one step with `work` and `call` in it.
  func make() throws(SimplonError) -> String {
    let folder = "\(path)/\(UUID().uuidString.lowercased())"
    for (name, mode) in [("", mode_t(0o711)), ("/work", 0o700), ("/call", 0o700)] {
      guard mkdir(folder + name, mode) == 0 else { throw .storage("make the folder of a step") }
    }
    return folder
  }

  private static func removeAbandoned(_ root: String) throws(SimplonError) {
    for name in try File(root, O_RDONLY | O_DIRECTORY, for: "read the folder for running steps").names() {
      guard let name = name.text, name.hasPrefix(prefix) else { continue }
      let other = open("\(root)/\(name)/.lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW)
      guard other >= 0 else { continue }
      if flock(other, LOCK_EX | LOCK_NB) == 0 { FolderRemoval.remove("\(root)/\(name)") }
      close(other)
    }
  }
}

/// Removes folders that a tool may have left in any state, nested as deep as it liked.
enum FolderRemoval {
  /// Each level that is entered takes a descriptor and some of the stack.
  private static let depthLimit = 32

  /// Removes a folder and all in it, following no link; what cannot be removed stays.
  static func remove(_ path: String) {
    if let folder = try? File(path, O_RDONLY | O_DIRECTORY, for: "remove a step's files") {
      // What lies too deep comes to the top and goes with the next round; every round that moves something makes the
      // rest flatter.
      while empty(folder, top: folder.descriptor, depth: 1) {}
    }
    rmdir(path)
  }

  /// Gives whether something was moved to the top.
  private static func empty(_ folder: borrowing File, top: CInt, depth: Int) -> Bool {
    var hasMoved = false
    for name in (try? folder.names()) ?? [] {
      if unlinkat(folder.descriptor, name.bytes, 0) == 0 { continue }
      var info = stat()
      guard fstatat(folder.descriptor, name.bytes, &info, AT_SYMLINK_NOFOLLOW) == 0, info.st_mode & S_IFMT == S_IFDIR
      else { continue }
      // One of a tool of our own user may be closed to us.
      fchmodat(folder.descriptor, name.bytes, 0o700, 0)
      if depth == depthLimit {
        if renameat(folder.descriptor, name.bytes, top, UUID().uuidString) == 0 { hasMoved = true }
        continue
      }
      let below = openat(folder.descriptor, name.bytes, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if below >= 0, empty(File(adopting: below, for: "remove a step's files"), top: top, depth: depth + 1) {
        hasMoved = true
      }
      unlinkat(folder.descriptor, name.bytes, AT_REMOVEDIR)
    }
    return hasMoved
  }
}
