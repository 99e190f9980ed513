// The storage thread: carries out everything that blocks on the disk, from one mailbox.
//
// All requests in the mailbox are carried out together. If there are only outcomes, they may wait
// up to `settle_delay` so that they share a sync with other writes.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <condition_variable>
#include <cstdint>
#include <optional>
#include <thread>

#include "flowrelay/base/time.hpp"
#include "flowrelay/runtime/storage_mailbox.hpp"
#include "flowrelay/runtime/storage_work.hpp"

namespace flowrelay::runtime {

class StorageThread final : public StorageMailbox {
public:
    /// Only the storage thread uses the spool. The execution context of `io` outlives this object.
    StorageThread(std::unique_ptr<storage::Spool> spool, boost::asio::any_io_executor io,
                  Milliseconds settle_delay = Milliseconds(100));

    /// Calls stop() unless it was called before.
    ~StorageThread() override;
    StorageThread(const StorageThread&) = delete;
    StorageThread& operator=(const StorageThread&) = delete;

    /// Carries out all requests, syncs, and ends the thread. Completions that are due run on the
    /// I/O thread afterwards, if it still runs.
    void stop();

    /// Returns the final state. Call it after stop().
    Snapshot last_snapshot() const { return work_.spool().status(); }

    /// Counts the passes of the thread's loop, and tells whether work is waiting, so that a
    /// watchdog can see from two readings that the thread is stuck. Any thread.
    struct Progress {
        std::uint64_t passes = 0;
        bool idle = true;
    };
    Progress progress() const;

private:
    void mail_came(bool first, bool can_wait) override;
    void run();
    bool wait_for_mail(Mail& mail, bool busy);
    void work(Mail mail);

    StorageWork work_;  ///< used by the storage thread only
    boost::asio::any_io_executor io_;
    Milliseconds settle_delay_;

    // Guarded by mutex_.
    std::condition_variable wake_;
    std::optional<MonoTime> settle_by_;  ///< when the oldest outcome in the mail must be written
    bool stopping_ = false;
    std::uint64_t passes_ = 0;
    bool idle_ = true;

    std::thread thread_;
};

}  // namespace flowrelay::runtime
