#include "descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace flowrelay::app {

namespace {

// Enough for a log with the default sizes, which has about 200 files, to keep all of them open.
constexpr std::uint64_t best_files = 256;
constexpr std::uint64_t least_files = 16;

// For journals and their rewrites, directories, listening sockets, timers, log output, name
// look-ups, requests to the flow, and a reserve.
constexpr std::uint64_t process_files = 96;

/// Adds the connections over TCP, a quarter of ingest.max_connections (runtime::Server).
std::uint64_t with_tcp(const IngestConfig& ingest, std::uint64_t connections) {
    return ingest.listen.empty() ? connections
                                 : connections + std::max<std::uint64_t>(connections / 4, 1);
}

std::uint64_t max_producers(const IngestConfig& ingest, std::uint64_t descriptors) {
    return ingest.listen.empty() ? descriptors : descriptors * 4 / 5;
}

}  // namespace

DescriptorNeeds descriptors_needed(const Config& config) {
    DescriptorNeeds needs;
    needs.producers = with_tcp(config.ingest, config.ingest.max_connections);
    needs.files = best_files;
    const std::uint64_t metrics = config.metrics.listen.empty() ? 0 : max_control_connections;
    // Twice, since a connection may be being replaced, or two addresses be tried at the same time.
    const std::uint64_t destination = 2 * std::uint64_t{config.destination.max_connections};
    needs.others = process_files + max_control_connections + reserved_control_connections +
                   metrics + destination;
    return needs;
}

std::uint64_t raise_descriptor_limit(std::uint64_t needed) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return needed;  // the limit is unknown
    if (limit.rlim_cur >= needed) return limit.rlim_cur;
    const rlimit raised{std::min<rlim_t>(needed, limit.rlim_max), limit.rlim_max};
    return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

DescriptorShares share_descriptors(const Config& config, std::uint64_t limit) {
    const DescriptorNeeds needs = descriptors_needed(config);
    DescriptorShares shares{needs.files, config.ingest.max_connections};
    if (limit >= needs.total()) return shares;
    const std::uint64_t left = limit - std::min(limit, needs.others);
    shares.files = std::clamp(left - std::min(left, needs.producers), least_files, best_files);
    const std::uint64_t producers =
        max_producers(config.ingest, left - std::min(left, shares.files));
    shares.producers = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(producers, 1, config.ingest.max_connections));
    return shares;
}

}  // namespace flowrelay::app
