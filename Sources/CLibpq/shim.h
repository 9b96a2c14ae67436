// What Swift's Glibc module lacks (epoll, eventfd) comes along with libpq, as SimplonPostgres needs both together.
#include <libpq-fe.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#endif
