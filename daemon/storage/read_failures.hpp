// Which records the disk did not give, and how often in a row: an error of reading may pass, and
// what is given up too early is lost. Who asks waits longer each time (the backoff of the lane).
#pragma once

#include <unordered_map>

#include "flowrelay/base/ids.hpp"

namespace flowrelay::storage {

class ReadFailures {
public:
    static constexpr unsigned most = 10;  ///< minutes, with the waits between them

    /// It failed again. True: it is to be taken for damaged.
    bool give_up(Seq seq) {
        if (++failures_[seq] < most) return false;
        failures_.erase(seq);
        return true;
    }

    /// It was read.
    void forget(Seq seq) {
        if (!failures_.empty()) failures_.erase(seq);
    }

private:
    std::unordered_map<Seq, unsigned> failures_;
};

}  // namespace flowrelay::storage
