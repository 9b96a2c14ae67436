import SimplonCore
package import SimplonIdentity
import SimplonPostgres

extension Registry {
  private static let schedule = """
    json_build_object('name', s.name, 'cron', s.cron, 'every', s.every_seconds || 's', 'time_zone', s.time_zone,
      'run', s.run, 'missed', s.missed, 'overlap', s.overlap, 'starts_at', s.starts_at, 'ends_at', s.ends_at,
      'enabled', s.enabled, 'next_due', case when s.enabled then s.next_due end, 'last_due', s.last_due,
      'last_run', s.last_run, 'last_error', s.last_error, 'created_at', s.created_at, 'updated_at', s.updated_at)::text
    """

  /// Saves a schedule of the caller's under a new name; gives it as JSON text.
  ///
  /// - Throws: `request.exists` when the name is taken; `request.quota`; `request.invalid` for a zone that is none or a
  ///   schedule that is never due; and what making its run would throw.
  package func save(_ request: ScheduleRequest, as caller: Principal) async throws -> String {
    let body = try await stored(request, as: caller)
    let saving: PostgresQuery = "select simplon.save_schedule(\(body))"
    return try await schedule(body["name"]?.string ?? "", after: saving, as: caller)
  }

  /// Changes a schedule of the caller's; what it missed before its rhythm changed is not made up.
  ///
  /// - Throws: `schedule.not_found`; and what saving throws.
  package func change(_ name: String, _ request: ScheduleRequest, as caller: Principal) async throws -> String {
    let body = try await stored(request, as: caller)
    let changing: PostgresQuery = "select simplon.change_schedule(\(name), \(body))"
    return try await schedule(name, after: changing, as: caller)
  }

  /// Deletes a schedule of the caller's; its runs stay.
  ///
  /// - Throws: `schedule.not_found`.
  package func deleteSchedule(_ name: String, as caller: Principal) async throws {
    try await database.rows("select simplon.delete_schedule(\(name))", as: caller)
  }

  /// One schedule of the caller's.
  ///
  /// - Throws: `schedule.not_found`.
  package func schedule(_ name: String, as caller: Principal) async throws -> String {
    try await schedule(name, after: nil, as: caller)
  }

  /// The caller's schedules, the last one first, as `{"schedules": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`.
  package func schedules(_ query: ListQuery, as caller: Principal) async throws -> String {
    let before = try query.id(of: "schedules")
    let page: PostgresQuery = """
      select row_number() over (order by s.id desc) as place, s.id::text as key, \(unsafeSQL: Self.schedule) as json
      from agent_schedules s where s.id < \(before) and s.user_id is not distinct from auth.uid()
      order by s.id desc limit \(query.limit + 1)
      """
    return try RunPage(await database.rows(RunPage.query(page), as: caller), limit: query.limit)
      .json("schedules", of: "schedules")
  }

  private func schedule(
    _ name: String, after change: PostgresQuery?, as caller: Principal
  ) async throws -> String {
    let one: PostgresQuery = """
      select \(unsafeSQL: Self.schedule) from agent_schedules s
      where s.name = \(name) and s.user_id is not distinct from auth.uid()
      """
    guard let row = try await database.rows(change, one, as: caller).first else {
      throw SimplonError(
        .scheduleNotFound, "there is no schedule \"\(name.prefix(200))\" of yours",
        hint: "GET /api/v1/schedules lists yours.")
    }
    return try row.decode(String.self)
  }

  /// The request with its run checked as if it were made now.
  ///
  /// A workflow is looked up anew each time that it is due.
  private func stored(_ request: ScheduleRequest, as caller: Principal) async throws -> JSON {
    // The workflow is looked up before the database is asked for the schedule.
    try runs.signedIn(caller)
    var members = request.json.object ?? [:]
    if let run = request.run {
      let prepared = try await runs.prepared(run, as: caller)
      members["run"] = run.workflow == nil ? prepared.json : run.json
    }
    return .object(members)
  }
}
