// What Swift's Glibc module lacks (epoll, eventfd) comes along with libpq, as SimplonPostgres needs both together.
#include <libpq-fe.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#endif

// PQpipelineSync sends at once, one system call for each caller. From libpq 17 on the Sync can wait for the next flush,
// so that one system call carries many callers.
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
enum { simplon_requests_per_flush = 16 };
static inline int simplon_pipeline_sync(PGconn *connection) { return PQsendPipelineSync(connection); }
#else
enum { simplon_requests_per_flush = 1 };
static inline int simplon_pipeline_sync(PGconn *connection) { return PQpipelineSync(connection); }
#endif
