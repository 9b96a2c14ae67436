/// The server's settings, as the texts of its two files.
///
/// They are written before each start, so that a newer Simplon's settings reach an older cluster.
struct ClusterSettings: Hashable, Sendable {
  /// The port on 127.0.0.1, or nil for the Unix socket alone.
  var port: Int?
  var socketFolder: String
  var durable: Bool

  /// `postgresql.conf`.
  var text: String {
    let quoted = socketFolder.replacing("'", with: "''").replacing("\"", with: "\"\"")
    var lines = [
      "# Written by Simplon before each start; changes are lost.",
      "listen_addresses = '\(port == nil ? "" : "127.0.0.1")'",
      "port = \(port ?? 5432)",
      "unix_socket_directories = '\"\(quoted)\"'",
      "unix_socket_permissions = 0700",
      "password_encryption = 'scram-sha-256'",
      "cluster_name = 'simplon'",
      "max_connections = \(durable ? 100 : 300)",
      "shared_buffers = 128MB",
      "wal_level = logical",
      "max_replication_slots = 16",
      "max_wal_senders = 16",
      "max_slot_wal_keep_size = 4GB",
      "jit = off",
      "timezone = 'UTC'",
      "log_timezone = 'UTC'",
      "lc_messages = 'C'",
      "log_line_prefix = '%m [%p] %q%u@%d '",
    ]
    lines +=
      durable
      ? ["fsync = on", "synchronous_commit = on", "full_page_writes = on"]
      : ["fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum_naptime = 10s"]
    return lines.joined(separator: "\n") + "\n"
  }

  /// `pg_hba.conf`: a password for everyone, on the socket too.
  var access: String {
    """
    local all all scram-sha-256
    host all all 127.0.0.1/32 scram-sha-256
    local replication all scram-sha-256
    host replication all 127.0.0.1/32 scram-sha-256

    """
  }
}
