// The storage thread: everything that blocks on the disk, behind one mailbox.
//
// What waits in the mailbox is carried out in one go. Outcomes alone may wait up to `settle_delay`
// for company.
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
    /// The spool is used by the storage thread alone. The context behind `io` outlives this object.
    StorageThread(std::unique_ptr<storage::Spool> spool, boost::asio::any_io_executor io,
                  Milliseconds settle_delay = Milliseconds(100));

    /// Stops if stop() was not called.
    ~StorageThread() override;
    StorageThread(const StorageThread&) = delete;
    StorageThread& operator=(const StorageThread&) = delete;

    /// Carries out all that was asked for, syncs, ends the thread. Completions that are due run on
    /// the I/O thread afterwards, if it still runs.
    void stop();

    /// The state at the end: after stop().
    Snapshot last_snapshot() const { return work_.spool().status(); }

    /// Counts the passes of the thread's loop and whether work is waiting: a watchdog sees from
    /// two readings that it is stuck. Any thread.
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

    StorageWork work_;  ///< of the storage thread alone
    boost::asio::any_io_executor io_;
    Milliseconds settle_delay_;

    // With mutex_.
    std::condition_variable wake_;
    std::optional<MonoTime> settle_by_;  ///< the oldest outcome in the mail does not wait longer
    bool stopping_ = false;
    std::uint64_t passes_ = 0;
    bool idle_ = true;

    std::thread thread_;
};

}  // namespace flowrelay::runtime
