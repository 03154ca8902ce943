// The tracepoints of lttng.cpp.

#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER rivals

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_calls.h"

#if !defined(LTTNG_CALLS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LTTNG_CALLS_H

#include <lttng/tracepoint.h>
#include <stdint.h>

LTTNG_UST_TRACEPOINT_EVENT(rivals, three, LTTNG_UST_TP_ARGS(uint32_t, joint, double, position, double, velocity),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint32_t, joint, joint)
                                                   lttng_ust_field_float(double, position, position)
                                                       lttng_ust_field_float(double, velocity, velocity)))

LTTNG_UST_TRACEPOINT_EVENT(rivals, literal, LTTNG_UST_TP_ARGS(), LTTNG_UST_TP_FIELDS())

LTTNG_UST_TRACEPOINT_EVENT(rivals, text, LTTNG_UST_TP_ARGS(const char *, text),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_string(text, text)))

LTTNG_UST_TRACEPOINT_EVENT(rivals, never, LTTNG_UST_TP_ARGS(uint64_t, n),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint64_t, n, n)))

#endif

#include <lttng/tracepoint-event.h>
