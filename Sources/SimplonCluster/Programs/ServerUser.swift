import SimplonCore
import Subprocess

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The operating system's user that PostgreSQL runs as: ourselves, or another one when we are root, as PostgreSQL
/// refuses to run as root.
struct ServerUser: Sendable {
  /// The user and group to become, or nil to stay who we are.
  let other: (user: uid_t, group: gid_t)?

  /// Who PostgreSQL is to run as: ourselves, or, when we are root, the first of these users that there is.
  ///
  /// Never `nobody`: that is who a tool without a sandbox is, and it could then read the cluster and stop the server.
  ///
  /// - Parameter names: users that initdb finds by name.
  /// - Throws: `dev.postgres_failed` when there is none.
  init(_ names: [String] = ["postgres", "daemon"]) throws(SimplonError) {
    guard geteuid() == 0 else {
      other = nil
      return
    }
    for name in names {
      guard let entry = getpwnam(name)?.pointee else { continue }
      other = (entry.pw_uid, entry.pw_gid)
      return
    }
    throw SimplonError(
      .devPostgresFailed, "PostgreSQL does not run as root, and there is no user \(names.joined(separator: " or "))",
      hint: "Start as another user, or make one for PostgreSQL: useradd --system postgres")
  }

  /// The words that start a program as this user.
  ///
  /// - Source: setpriv(1): it changes the ids and executes, so that the process id stays and signals arrive.
  func command(_ words: [String]) -> [String] {
    guard let other else { return words }
    return ["setpriv", "--reuid=\(other.user)", "--regid=\(other.group)", "--clear-groups", "--no-new-privs"] + words
  }

  /// Makes the folder this user's own, closed to all others.
  ///
  /// - Throws: `dev.postgres_failed`, `storage.full`.
  func makeFolder(_ path: String) throws(SimplonError) {
    if mkdir(path, 0o700) != 0, errno != EEXIST { throw SimplonError.system("make the folder", path, errno) }
    var status = stat()
    // A folder in a place that others can write to, such as /tmp, must be ours and no link.
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw SimplonError(
        .devPostgresFailed, "\(path) is not a folder", hint: "Remove it, or choose another folder with --data.")
    }
    let owner = other?.user ?? geteuid()
    if status.st_uid != owner {
      guard status.st_uid == geteuid(), let other, lchown(path, other.user, other.group) == 0 else {
        throw SimplonError(
          .devPostgresFailed, "the folder \(path) belongs to another user",
          hint: "Start as the user who made it, or choose another folder with --data.")
      }
    }
    if status.st_mode & 0o777 != 0o700, chmod(path, 0o700) != 0 {
      throw SimplonError.system("close the folder", path, errno)
    }
  }

  /// Whether this user can write to the folder; the folders above may be closed to it.
  func canWrite(_ path: String) async -> Bool {
    guard other != nil else { return access(path, W_OK | X_OK) == 0 }
    return (try? await ServerCommand(command(["test", "-w", path]), programs: nil).run())?.succeeded ?? false
  }
}
