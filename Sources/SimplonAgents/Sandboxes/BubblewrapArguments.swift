/// What bubblewrap is told, the environment, the run's two folders and the descriptors apart, which the guard adds.
///
/// - Source: bwrap(1), version 0.8.
enum BubblewrapArguments {
  /// A sandbox that sees the system read-only, no network, no other process, and only files of its own.
  static func arguments(_ limits: SandboxLimits) -> [String] {
    let size = String(max(1 << 16, limits.temporary))
    return [
      // A user namespace in which no other can be made, so that no tool becomes root in one of its own.
      "--unshare-all", "--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL",
      // Its end is tied to the guard's; it has a session of its own, so no terminal of ours.
      "--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv",
      "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin",
      "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
      // Of /etc only what programs need to start: no host names, users, mounts or keys.
      "--dir", "/etc", "--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
      "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--ro-bind-try", "/etc/fonts", "/etc/fonts",
      "--ro-bind-try", "/etc/mime.types", "/etc/mime.types", "--chmod", "0755", "/etc",
      "--proc", "/proc",
      // bubblewrap's /dev is a folder in memory without a limit: closed again, with a limited one for shared memory.
      "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
      "--size", size, "--tmpfs", "/tmp",
    ]
  }
}
