/// The type of a value in PostgreSQL, by its object id.
///
/// - Source: `src/include/catalog/pg_type.dat` of PostgreSQL 15; built-in ids never change.
public struct PostgresType: Hashable, Sendable {
  /// The object id in `pg_type`.
  public var oid: UInt32

  /// Makes a type from its object id.
  public init(oid: UInt32) { self.oid = oid }

  /// The server finds the type out by itself; the value travels as text.
  public static let unspecified = PostgresType(oid: 0)
  /// Type `boolean`.
  public static let bool = PostgresType(oid: 16)
  /// Type `bytea`.
  public static let bytea = PostgresType(oid: 17)
  /// Type `bigint`.
  public static let int8 = PostgresType(oid: 20)
  /// Type `smallint`.
  public static let int2 = PostgresType(oid: 21)
  /// Type `integer`.
  public static let int4 = PostgresType(oid: 23)
  /// Type `text`.
  public static let text = PostgresType(oid: 25)
  /// Type `oid`.
  public static let oid = PostgresType(oid: 26)
  /// Type `json`.
  public static let json = PostgresType(oid: 114)
  /// Type `real`.
  public static let float4 = PostgresType(oid: 700)
  /// Type `double precision`.
  public static let float8 = PostgresType(oid: 701)
  /// Type `date`.
  public static let date = PostgresType(oid: 1082)
  /// Type `time`, without a zone.
  public static let time = PostgresType(oid: 1083)
  /// Type `timestamp`.
  public static let timestamp = PostgresType(oid: 1114)
  /// Type `timestamptz`.
  public static let timestamptz = PostgresType(oid: 1184)
  /// Type `interval`.
  public static let interval = PostgresType(oid: 1186)
  /// Type `numeric`.
  public static let numeric = PostgresType(oid: 1700)
  /// Type `uuid`.
  public static let uuid = PostgresType(oid: 2950)
  /// Type `jsonb`.
  public static let jsonb = PostgresType(oid: 3802)

  /// The type of arrays of this type, where it is known.
  var array: PostgresType? {
    switch self {
    case .bool: PostgresType(oid: 1000)
    case .bytea: PostgresType(oid: 1001)
    case .int2: PostgresType(oid: 1005)
    case .int4: PostgresType(oid: 1007)
    case .text: PostgresType(oid: 1009)
    case .int8: PostgresType(oid: 1016)
    case .float4: PostgresType(oid: 1021)
    case .float8: PostgresType(oid: 1022)
    case .date: PostgresType(oid: 1182)
    case .time: PostgresType(oid: 1183)
    case .timestamptz: PostgresType(oid: 1185)
    case .interval: PostgresType(oid: 1187)
    case .numeric: PostgresType(oid: 1231)
    case .uuid: PostgresType(oid: 2951)
    case .jsonb: PostgresType(oid: 3807)
    default: nil
    }
  }
}
