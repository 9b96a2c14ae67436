import Glibc
import SimplonCluster
import SimplonCore

extension Diagnosis {
  /// Whether there is room for files, and for the private PostgreSQL.
  func disk() -> Finding {
    let folders = [installation.folder] + (installation.cluster.map { [$0.home] } ?? [])
    let found = folders.compactMap { folder in Self.free(folder).map { (folder: folder, bytes: $0) } }
    guard let least = found.min(by: { $0.bytes < $1.bytes }) else {
      return Finding(.disk, .skipped, "the file system of \(installation.folder) does not say")
    }
    return Self.disk(least.folder, free: least.bytes)
  }

  /// What so many free bytes say.
  static func disk(_ folder: String, free: Double) -> Finding {
    let megabytes = Int(min(free, 1e18) / 1e6)
    let said = "\(megabytes < 10_000 ? "\(megabytes) MB" : "\(megabytes / 1000) GB") are free in \(folder)"
    guard megabytes < 1000 else { return Finding(.disk, .ok, said) }
    return Finding(
      .disk, megabytes < 100 ? .problem : .warning, said, .storageFull,
      hint: "Make room, or move the folder and name it with \(Setting.data.name). What takes it: du -xh -d 2 \(folder)")
  }

  /// The bytes that are free for us where a folder is, or will be.
  private static func free(_ folder: String) -> Double? {
    var path = folder
    var info = statvfs()
    while statvfs(path, &info) != 0 {
      guard let slash = path.lastIndex(of: "/"), path != "/" else { return nil }
      path = slash == path.startIndex ? "/" : String(path[..<slash])
    }
    return Double(info.f_bavail) * Double(info.f_frsize)
  }
}
