import SimplonCluster
import SimplonCore

extension Diagnosis {
  /// Whether there is a PostgreSQL on this machine that the private cluster can run on.
  func programs() async -> Finding {
    do {
      let programs: ServerPrograms
      if let cluster = installation.cluster {
        programs = try await cluster.programs()
      } else {
        programs = try await ServerPrograms.find(named: nil, version: nil)
      }
      return Finding(.programs, .ok, "PostgreSQL \(programs.version) in \(programs.folder)")
    } catch {
      return Finding(.programs, SimplonError(wrapping: error))
    }
  }
}
