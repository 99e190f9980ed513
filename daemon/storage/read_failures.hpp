// Counts how often in a row the disk failed to return each record. A read error may be transient,
// and an event that is given up is lost, so reads are repeated after increasing waits (the backoff
// of the thread).
#pragma once

#include <unordered_map>

#include "flowrelay/base/ids.hpp"

namespace flowrelay::storage {

class ReadFailures {
public:
    static constexpr unsigned most = 10;  ///< takes minutes, with the waits between them

    /// Records a failure. Returns true if the record is now to be treated as damaged.
    bool give_up(Seq seq) {
        if (++failures_[seq] < most) return false;
        failures_.erase(seq);
        return true;
    }

    /// Records a success.
    void forget(Seq seq) {
        if (!failures_.empty()) failures_.erase(seq);
    }

private:
    std::unordered_map<Seq, unsigned> failures_;
};

}  // namespace flowrelay::storage
