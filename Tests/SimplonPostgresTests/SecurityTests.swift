import Glibc
import SimplonCore
import SimplonPostgres
import Testing

@Suite(.timeLimit(.minutes(1)), .serialized) struct SecurityTests {
  /// A server with TLS for `127.0.0.1` and passwords; the authority's certificate is `ca.crt` in its folder.
  private static let server = Task {
    try await TestServer(
      settings: ["listen_addresses=127.0.0.1", "ssl=on", "password_encryption=scram-sha-256"],
      hba: "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256"
    ) { data in
      try Shell.run(
        """
        cd "$1" && exec >/dev/null 2>&1
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority &&
        openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server &&
        printf 'subjectAltName=IP:127.0.0.1' > san &&
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.crt &&
        openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -days 2 -subj /CN=other &&
        chmod 600 server.key && chmod a+rx .. . && chmod a+r ca.crt other.crt && chown --reference=PG_VERSION server.key server.crt
        chmod 700 .; cp ca.crt other.crt .. && chmod a+r ../*.crt
        """, data)
    }
  }

  private static func dsn(_ more: String) async throws -> String {
    let server = try await Self.server.value
    return "host=127.0.0.1 port=\(server.port) user=keeper dbname=postgres sslmode=verify-full "
      + "sslrootcert=\(server.folder)/ca.crt password=s3cr3t \(more)"
  }

  private static func makeUser() async throws {
    try await withClient(on: try await server.value) { client in
      try await client.withConnection {
        try await $0.execute(
          unsafeSQL: "drop role if exists keeper; create role keeper login superuser password 's3cr3t'")
      }
    }
  }

  @Test func `a verified certificate and a SCRAM password let in`() async throws {
    try await Self.makeUser()
    let dsn = try await Self.dsn("")
    try await withClient({ $0.dsn = dsn }) { client in
      let row = try await client.query(
        """
        select ssl, version, (select rolpassword from pg_authid where rolname = current_user)
        from pg_stat_ssl where pid = pg_backend_pid()
        """)
      let (ssl, version, password) = try row[0].decode(Bool.self, String.self, String.self)
      #expect(ssl && version.hasPrefix("TLS") && password.hasPrefix("SCRAM-SHA-256$"))
      let bytes = [UInt8](repeating: 7, count: 1_000_000)
      #expect(try await client.query("select \(bytes)")[0].decode([UInt8].self) == bytes)
    }
  }

  @Test(arguments: ["host=localhost", "password=wrong", "sslrootcert=OTHER", "sslrootcert=/nowhere", "sslmode=disable"])
  func `whoever is not who they say stays out`(change: String) async throws {
    try await Self.makeUser()
    let folder = try await Self.server.value.folder
    let dsn = try await Self.dsn(change.replacing("OTHER", with: "\(folder)/other.crt"))
    try await withClient({
      $0.dsn = dsn
      $0.acquireTimeout = .seconds(1)
    }) { client in
      let error = await expect(.databaseUnavailable) { try await client.query("select 1") }
      #expect(error?.cause != nil)
      #expect(error.map { "\($0) \(String(reflecting: $0))".contains("s3cr3t") } == false)
    }
  }

  @Test func `the second of several hosts is tried`() async throws {
    let server = try await TestServer.shared.value
    let dsn =
      "host=/nowhere,\(server.folder) port=1,\(server.port) user=postgres dbname=postgres target_session_attrs=read-write"
    try await withClient({ $0.dsn = dsn }) { _ = try await $0.query("select 1") }
  }

  @Test func `a service file and a URI name the server`() async throws {
    let server = try await TestServer.shared.value
    let folder = try TestServer.newFolder()
    try Shell.run(
      "printf '%s\\n' '[mine]' 'host=\(server.folder)' 'port=\(server.port)' 'user=postgres' 'application_name=serviced' > \(folder)/services; chmod a+rx \(folder)"
    )
    setenv("PGSERVICEFILE", "\(folder)/services", 1)
    for dsn in ["service=mine dbname=postgres", "postgresql:///postgres?service=mine"] {
      try await withClient({ $0.dsn = dsn }) { client in
        let name = try await client.query("show application_name")[0].decode(String.self)
        #expect(name == "serviced")
      }
    }
  }

  @Test func `the server knows us by name`() async throws {
    try await withClient({ $0.applicationName = "somebody" }) { client in
      let name = try await client.query("show application_name")[0].decode(String.self)
      #expect(name == "somebody")
    }
  }
}
