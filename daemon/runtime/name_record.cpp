#include "flowrelay/runtime/name_record.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>

namespace flowrelay::runtime {

namespace {

bool contains(const Endpoints& endpoints, const boost::asio::ip::tcp::endpoint& endpoint) {
    return std::ranges::find(endpoints, endpoint) != endpoints.end();
}

}  // namespace

Endpoints interleave_families(const Endpoints& endpoints) {
    Endpoints same_family;   // of the first address
    Endpoints other_family;  // the other one
    for (const auto& endpoint : endpoints) {
        const bool same = endpoint.protocol() == endpoints.front().protocol();
        Endpoints& family = same ? same_family : other_family;
        if (!contains(family, endpoint)) family.push_back(endpoint);
    }
    Endpoints mixed;
    mixed.reserve(same_family.size() + other_family.size());
    for (std::size_t i = 0; i < std::max(same_family.size(), other_family.size()); ++i) {
        if (i < same_family.size()) mixed.push_back(same_family[i]);
        if (i < other_family.size()) mixed.push_back(other_family[i]);
    }
    return mixed;
}

bool NameRecord::wants_look_up(MonoTime now) const {
    if (endpoints(now).empty()) return true;
    return now >= fresh_until_ && now >= retry_at_;
}

void NameRecord::found(const Endpoints& endpoints, MonoTime now) {
    if (endpoints.empty()) {
        failed(boost::asio::error::host_not_found, now);
        return;
    }
    std::erase_if(seen_, [&](const auto& item) {
        return item.second + times_.lingering <= now || has_now(item.first);
    });
    // A name whose answer shares no address with the previous one has moved; connections must
    // follow.
    const bool moved =
        std::ranges::none_of(endpoints, [this](const auto& endpoint) { return has_now(endpoint); });
    if (moved) seen_.clear();
    if (!moved) {
        for (const auto& endpoint : this->endpoints(now)) seen_.emplace_back(endpoint, now);
    }
    preferred_ = interleave_families(endpoints);
    passed_over_.clear();
    fresh_until_ = now + times_.fresh;
    usable_until_ = fresh_until_ + times_.stale;
    error_ = {};
}

void NameRecord::failed(const error_code& error, MonoTime now) {
    error_ = error;
    retry_at_ = now + times_.retry;
}

Endpoints NameRecord::endpoints(MonoTime now) const {
    if (now >= usable_until_) return {};
    Endpoints all = preferred_;
    all.insert(all.end(), passed_over_.begin(), passed_over_.end());
    return all;
}

bool NameRecord::has_now(const boost::asio::ip::tcp::endpoint& endpoint) const {
    return contains(preferred_, endpoint) || contains(passed_over_, endpoint);
}

bool NameRecord::has(const boost::asio::ip::tcp::endpoint& endpoint, MonoTime now) const {
    return has_now(endpoint) || std::ranges::any_of(seen_, [&](const auto& item) {
               return item.first == endpoint && now < item.second + times_.lingering;
           });
}

void NameRecord::pass_over(const boost::asio::ip::tcp::endpoint& endpoint) {
    if (std::erase(preferred_, endpoint) > 0) passed_over_.push_back(endpoint);
}

}  // namespace flowrelay::runtime
