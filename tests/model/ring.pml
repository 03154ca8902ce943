/* The ring of shmlog, for the model checker Spin.
 *
 * What is modelled
 *   NP producers write records of one or two slots into a segment of CAP slots; one drainer reads them in sequence
 *   order and writes them to a file. Producers are killed at any step (PKILLS of them). The drainer is killed at any step
 *   and started again (DKILLS times). Every hole that a live floor covers may be parked, so "stall timeout" means
 *   "whenever it hurts most". One step below is one access to shared memory; whatever stands in one `atomic` touches
 *   shared memory once, or touches words that nobody else can touch at that moment (a comment says why).
 *
 *   Spin runs every interleaving of these steps on one memory. It knows no weak memory: that a Release store and an
 *   Acquire load are enough at each place is what the loom tests show, not this file.
 *
 * How it maps to the code
 *   src/ring/claim.rs   proctype Producer: full? floor, claim, check, write, publish, floor
 *   src/ring/read.rs    proctype Drainer: step at the cursor, look (floors, parked sweep, hole), release
 *   src/drainer/        the journal: inline flush (intent, write, release, head, intent gone) and the restart
 *
 * Words
 *   state word   2n = FREE for sequence n, 2n+1 = PUBLISHED with sequence n, in slot n mod CAP. It only grows.
 *   run          the slots of one record. Only the FIRST one is ever PUBLISHED, after all the bytes of the run; the others
 *                stay FREE(sequence) while they hold data. The drainer reads the length from the first one's header.
 *   cursor/head  next sequence to read (the drainer's own) / released up to (in the segment). [head, cursor) is the batch.
 *   walked       two words per slot, outside the slots, by turns for the laps: sequence+1 of the last one whose claimer left it
 *                because it could not have its whole run. The drainer takes it for an orphan whatever the floors say.
 *   floor        the oldest sequence that a producer may own now; IDLE when none.
 *   hole, orphan claimed and not published / and nobody alive can publish it.
 *   parked, late a hole passed because its live owner does not move / its record, come after all. The parked table is in
 *                the segment: per slot 0, or sequence+1.
 *   intent       what the drainer is about to write, noted in the segment before it writes; see `flush`.
 *
 * Rules that the model showed to be needed. Each has a compile-time fault that takes it away; `check` demands that the
 * named assertion then fails.
 *   TEAR      A hole may be called an orphan only by a floor snapshot that was taken after the hole was seen (tail beyond
 *             it) and before a full sweep of the parked. Else: the owner of a run whose first slot is parked publishes and
 *             goes IDLE; its second slot, now at the cursor, looks like an orphan and is given away under the unread run.
 *   DESCEND   The sweep goes in ascending order of sequence: the same fault, when both slots of the run are parked.
 *   DEFER     What the sweep finds late is written and released before the hole is judged, or at least the hole must not
 *             be judged while it lies in such a run. Else the state that is read again is still FREE(hole), no floor
 *             reaches it, and the slot is given away twice: as an orphan now, with its run later.
 *   NOREREAD  The state of the hole is read again after the floors. Else: a record that came in between is lost.
 *   LAP       The cursor never passes head + CAP; it flushes there. The full check races (two producers pass it, both
 *             claim), so the tail can go beyond head + CAP. A cursor that follows takes a slot of its own unreleased batch
 *             for a parked one and passes it; the release then gives it to the producer whose sequence was passed, and
 *             takes it away again under that producer's pen.
 *   OWNPARK   The cursor passes a position that the parked table names, whatever its state. Only a restart meets one: it
 *             begins at the head, below positions parked in the batch that was lost. Else the record is taken in order,
 *             is skipped by the release because it is parked, and is taken again as late.
 *   AHEAD     The sweep stays below the cursor. Only a restarted drainer meets parked positions beyond it: it begins at the head,
 *             and would take a late run before those that it has to read again, the begin of the same record among them.
 *   WORDFIRST An unpark stores the state first, the parked word second. Else a death in between leaves a slot that no
 *             sequence ever maps to again.
 *   STALE     And a restarted drainer, before all else, clears the parked words whose slot is above PUBLISHED(that
 *             sequence). Else the release skips a record of a later lap in that slot, and the slot is lost.
 *   LASTFIRST A late run is given away first slot first. Else a death in between leaves a PUBLISHED first slot, and the
 *             restart gives the second slot away a second time, under whoever writes there by now.
 *   NOJOURNAL A restarted drainer honours the intent. Else: written twice.
 *   NOWALK    Who walks away says so, for each sequence of its run. Else they are holes without an owner, and behind the
 *             floor of another, stopped producer they are parked as if they were that one's.
 *   WALKFIRST It says so after it has looked at the states. Else the drainer gives away a slot that is being written.
 *   FLOORGONE It says so before it clears its floor. Else the drainer finds neither its floor nor its word.
 *   ONEWORD   Two laps have a word each. A slot that is not released when the claimer of n comes becomes FREE(n) later; when
 *             the drainer has not looked by then, and the ring is full again, somebody walks away from n+CAP too, and both
 *             words are needed.
 *   OVERWRITE Who walks away from a slot that is two laps behind says nothing: it is parked, and will never be free for this
 *             sequence. Else it takes away the word of the one that is parked, which was perhaps left after it was parked.
 *   UNPARK    (no fault: it is what remains) An unpark may have read the tail before that claim and store the state after it. Then
 *             the slot is free for a sequence that was left without a word. The floors judge that hole: it is an orphan as soon
 *             as no older floor stands. Long records showed it, since they try again.
 *
 * What is asserted
 *   never two writers in a slot; never a writer in a slot that the drainer has read and not released; what is read is the
 *   run that was published, whole; each published record gets into the file exactly once; the state word only grows;
 *   whenever the drainer looks at a hole, or at a parked one that floors cover, it sees whether its claimer has gone; at the
 *   end head == tail and nothing is parked; no process waits for ever (a blocked drainer is an invalid end state, and `check`
 *   shows for the smaller settings that the model has no cycle at all, so every execution ends).
 *
 * Long records: with LONG set, producer 0 writes one record of LONG runs, of a slot each, as src/producer/write.rs does. The
 * first run must leave FIRSTLEAVE slots free, each further one LEAVE, and the word that the record is cut off none. When a further
 * run is refused the producer waits: it looks at the head LOOKS times, and once more for each run that got in (src/ring/patience.rs),
 * or, with BLOCK, takes so many naps, before its first run too (src/producer/wait.rs). Then it gives up, and says so
 * in a run of its own; if that is refused too, the drainer makes up for it when the thread has ended. The drainer puts the runs
 * together (src/drainer/assemble.rs); what it holds is saved with each write, and its successor goes on with that (`parts.rs`).
 * With STOP the drainer may stand still for ever, at any step: then nothing is asked of what it left, but each call must end.
 *   LATELAST  A run is taken at the cursor only when no parked run is published, asked after it was seen. Else a run that came
 *             late is put behind the one that the same producer sent after it.
 *   NOPARTS   A restarted drainer has the runs of incomplete records that were released. Else the next run has no beginning.
 *   NOCUT     A producer that gives up says so. Else the record is held for ever.
 *   NOLEAVE   Each further run leaves a slot free. Else the word that the record is cut off finds a full ring.
 *   NOBOUND   Looks and naps are numbered. Else a call waits for a drainer that stands still.
 *
 * What is left out: payload bytes beyond "whose are they" (body) and "which run of the record" (the header); two long records
 * at a time; registry entries used again by another process (a dead producer stays dead); more than one late record in a
 * batch; a file written halfway when the drainer dies.
 *
 * Ghosts, which the code does not have: wr, rd, body, owed, left, untold; wrote stands for "the file is longer than before"; batch
 * holds the sequences of the records read and not yet written.
 *
 * Settings: NP producers (2 or 3), CAP slots (2 to 4), RECn records of producer n, RUNn slots of each (1, 2; 0 is either),
 * PKILLS, DKILLS, SIGNAL (a handler that logs interrupts producer 0 once, anywhere), LONG, FIRSTLEAVE, LEAVE, LOOKS, BLOCK, STOP.
 */
#ifndef CAP
#define CAP 2
#endif
#ifndef REC0
#define REC0 1              /* records of producer 0 / 1 */
#endif
#ifndef REC1
#define REC1 1
#endif
#ifndef RUN0
#define RUN0 1              /* slots of a record of producer 0 / 1; 0: one or two, every time anew */
#endif
#ifndef RUN1
#define RUN1 1
#endif
#ifndef PKILLS
#define PKILLS 0
#endif
#ifndef DKILLS
#define DKILLS 0
#endif
#ifndef NP
#define NP 2
#endif
#ifndef REC2
#define REC2 1
#endif
#ifndef RUN2
#define RUN2 1
#endif
#ifndef FIRSTLEAVE
#define FIRSTLEAVE 0        /* slots that the first run of a long record leaves free */
#endif
#ifndef LEAVE
#define LEAVE 0             /* and each further one */
#endif
#ifndef LOOKS
#define LOOKS 1             /* looks, or naps, that a long record begins with */
#endif
#define IDLE 255
#define FREE(n) (2*(n))
#define PUBLISHED(n) (2*(n)+1)
#define SLOT(n) ((n)%CAP)
#define BIT(n) (1<<(n))
#ifdef ONEWORD
#define TURNS 1
#else
#define TURNS 2
#endif
#define WORD(n) ((n)%(TURNS*CAP))
#define WALKED(n) (walked[WORD(n)] == (n)+1)

#ifdef LONG
/* The header of a run: its slots; of a long record also what the run is, and the number of runs before it. */
#define FIRST 1
#define MORE 2
#define LAST 3
#define CUT 4
#define SIZE(h) ((h) & 3)
#define KIND(h) (((h) >> 2) & 7)
#define BEFORE(h) ((h) >> 5)
#else
#define SIZE(h) (h)
#endif

/* ---- the segment ---- */
byte tail, head;
byte st[CAP];
byte slots[CAP];            /* header of a run, written with the payload of its first slot */
byte fl[NP];
byte parked[CAP];
byte walked[TURNS*CAP];
bool intent;                /* the four words of the journal: valid, */
byte intent_hi;             /*   the batch is [head, intent_hi), */
byte intent_late;           /*   and carries this late sequence (+1; 0: none); */
bool wrote;                 /*   file length now > length before, as a ghost */

/* ---- what the world does ---- */
bool dead[NP], done[NP], dkill, ended;
byte pkills = PKILLS, dkills = DKILLS;

/* ---- ghosts ---- */
byte wr[CAP];               /* producer+1 that is writing this slot */
bool rd[CAP];               /* the drainer has read this slot and not released it */
byte body[CAP];             /* sequence+1 of the bytes in this slot; 0 once it is given away */
short owed;                 /* published and not yet in the file, a bit per (first) sequence */
short left;                 /* sequences whose claimer has walked away and cleared its floor, a bit each */
#ifdef LONG
byte got, saved;            /* runs of the long record that the drainer holds, and what its successor would find */
bool untold;                /* producer 0 has given a record up, and its word of that found no room */
#endif
#ifdef STOP
bool stopped;               /* the drainer stands still for ever */
#endif

#define REACH(q, n) (!dead[q] && fl[q] <= (n))
#if NP==2
#define COVERED(n) (REACH(0, n) || REACH(1, n))
#define QUIET ((done[0] || dead[0]) && (done[1] || dead[1]))
#else
#define COVERED(n) (REACH(0, n) || REACH(1, n) || REACH(2, n))
#define QUIET ((done[0] || dead[0]) && (done[1] || dead[1]) && (done[2] || dead[2]))
#endif
#ifdef AHEAD
#define PASSED(q) true
#else
#define PASSED(q) ((q) < cur)
#endif
#define RIPE(s) (parked[s] != 0 && PASSED(parked[s]-1) && (st[s] != FREE(parked[s]-1) || !COVERED(parked[s]-1) || WALKED(parked[s]-1)))
#if CAP==2
#define ANYPARKED (parked[0] || parked[1])
#define ANYRIPE (RIPE(0) || RIPE(1))
#elif CAP==3
#define ANYPARKED (parked[0] || parked[1] || parked[2])
#define ANYRIPE (RIPE(0) || RIPE(1) || RIPE(2))
#else
#define ANYPARKED (parked[0] || parked[1] || parked[2] || parked[3])
#define ANYRIPE (RIPE(0) || RIPE(1) || RIPE(2) || RIPE(3))
#endif

#ifdef STOP
#define STANDS stopped
#else
#define STANDS false
#endif
#if defined(LONG) && defined(NOPARTS)
#define RECALL got = 0
#elif defined(LONG)
#define RECALL got = saved
#else
#define RECALL skip
#endif

#ifdef DEFER                /* late record in the batch, not written yet; the rule is that there never is one */
#define LATE late
#define RESET late = 0
#else
#define LATE 0
#define RESET skip
#endif

#ifdef LONG
#define SAVE saved = got
#else
#define SAVE skip
#endif

/* ================================ claim.rs: the producer's half ================================ */

inline write_slot(q) {
  atomic {
    assert(wr[SLOT(q)] == 0); assert(!rd[SLOT(q)]); assert(st[SLOT(q)] == FREE(q));
    wr[SLOT(q)] = me+1; body[SLOT(q)] = q+1
  }
}

/* One sequence of a run that cannot be had whole. */
inline walk(mine_too, q) {
  if
#ifdef OVERWRITE
  :: mine_too ->
#else
  :: mine_too && st[SLOT(q)] + 2*CAP >= FREE(q) ->        /* not behind FREE(q-CAP): else it is parked */
#endif
#ifndef NOWALK
     walked[WORD(q)] = q+1
#endif
  :: else -> if :: mine_too -> gone = gone & ~BIT(q) :: else fi       /* it says nothing: see UNPARK */
  fi
}

inline walk_away() {                                      /* no record is written */
  atomic { gone = BIT(n); if :: k == 2 -> gone = gone | BIT(n+1) :: else fi };
#ifdef FLOORGONE
  if :: mine -> atomic { fl[me] = IDLE; left = left | gone } :: else fi;
#endif
  walk(true, n);
  walk(k == 2, n+1)
}

inline one_call() {
  atomic { if :: want != 2 -> k = 1 :: want != 1 -> k = 2 fi; t = tail };
  if
  :: t + k > head + CAP -> skip                           /* full: a counted drop */
  :: else ->
     if :: fl[me] == IDLE -> fl[me] = t; mine = true      /* the thread's own word: no other writes it */
        :: else -> mine = false                           /* inside a signal handler: the interrupted call's floor is older */
     fi;
     atomic { n = tail; tail = tail + k; t = 0 };         /* the claim */
#ifdef WALKFIRST
     walk(true, n); walk(k == 2, n+1);
#endif
     if
     :: st[SLOT(n)] != FREE(n) -> walk_away()             /* parked, or not released yet */
     :: else ->
        if
        :: k == 2 && st[SLOT(n+1)] != FREE(n+1) -> walk_away()
        :: else ->
           atomic { write_slot(n); slots[SLOT(n)] = k };
           if :: k == 2 -> write_slot(n+1) :: else fi;
           atomic {                                       /* publish: the first slot only, after all the bytes */
             assert(st[SLOT(n)] == FREE(n));
             st[SLOT(n)] = PUBLISHED(n); owed = owed | BIT(n);
             wr[SLOT(n)] = 0; if :: k == 2 -> wr[SLOT(n+1)] = 0 :: else fi
           }
        fi
     fi;
     atomic { if :: mine -> fl[me] = IDLE :: else fi; left = left | gone }
  fi;
  atomic { k = 0; t = 0; n = 0; mine = false; gone = 0 }
}

#ifdef LONG
/* One run of a slot. */
inline put_run(kind, before, leave) {
  atomic { k = 1; ok = false; t = tail };
  seen = head;
  if
  :: t + 1 + leave > seen + CAP ->
#if REC1==0 && LEAVE>0
     assert(kind != CUT || before < 2)                    /* further runs have left room for it */
#endif
  :: else ->
     fl[me] = t;
     atomic { n = tail; tail = tail + 1; t = 0 };
     if
     :: st[SLOT(n)] != FREE(n) -> walk_away()
     :: else ->
        atomic { write_slot(n); slots[SLOT(n)] = 1 + 4*kind + 32*before };
        atomic {
          assert(st[SLOT(n)] == FREE(n));
          st[SLOT(n)] = PUBLISHED(n); owed = owed | BIT(n); wr[SLOT(n)] = 0; ok = true
        }
     fi;
     atomic { fl[me] = IDLE; left = left | gone }
  fi;
  atomic { k = 0; t = 0; n = 0; gone = 0 }
}

/* Whether a refused run is to be tried again. */
inline once_more() {
  ok = false;
#ifdef NOBOUND
  (head != seen); ok = true
#else
  do
  :: looks > 0 && !ok ->
#ifdef BLOCK
     atomic { looks--; ok = true }                        /* a nap: however long the others take meanwhile */
#else
     atomic { looks--; ok = (head != seen); seen = head }
#endif
  :: else -> break
  od
#endif
}

inline long_record() {
  looks = LOOKS;
  do
  :: piece < LONG ->
     if
     :: piece == 0 -> put_run(FIRST, 0, FIRSTLEAVE)
#ifdef NOLEAVE
     :: piece > 0 && piece < LONG-1 -> put_run(MORE, piece, 0)
     :: piece == LONG-1 -> put_run(LAST, piece, 0)
#else
     :: piece > 0 && piece < LONG-1 -> put_run(MORE, piece, LEAVE)
     :: piece == LONG-1 -> put_run(LAST, piece, LEAVE)
#endif
     fi;
     if
     :: ok -> atomic { piece++; looks++ }
     :: else ->
#ifndef BLOCK
        if :: piece > 0 -> once_more() :: else fi;        /* a record that has not begun is dropped at once */
#else
        once_more();
#endif
        if :: ok -> skip :: else -> break fi
     fi
  :: else -> break
  od;
#ifndef NOCUT
  if
  :: piece > 0 && piece < LONG ->
     put_run(CUT, piece, 0);
     untold = !ok
  :: else
  fi;
#endif
  atomic { piece = 0; looks = 0; ok = false; seen = 0 }
}
#endif

#ifdef SIGNAL
bool handling;              /* producer 0 stands still while its signal handler runs */
proctype Producer(byte me; byte recs; byte want) provided (!(handling && _pid == 1))
#else
proctype Producer(byte me; byte recs; byte want)
#endif
{
  byte k, t, n; bool mine; short gone;
#ifdef LONG
  byte piece, looks, seen; bool ok;
  { if
    :: me == 0 -> long_record()
    :: else -> do :: recs > 0 -> one_call(); recs-- :: else -> break od
    fi;
#else
  { do :: recs > 0 -> one_call(); recs-- :: else -> break od;
#endif
    done[me] = true
  } unless { dead[me] }
}

#ifdef SIGNAL
/* A handler that logs once, at any step of producer 0, and runs to its end before that one goes on. */
proctype Handler(byte me; byte want) {
  byte k, t, n; bool mine; short gone;
  { atomic { !done[me] -> handling = true };
    one_call();
    handling = false
  } unless { dead[me] || done[me] }
}
#endif

/* =============================== read.rs and drainer/: the drainer's half =============================== */

/* Gives slot x away for sequence q. The store is the only shared access. */
inline give(x, q) {
  assert(st[x] < FREE(q)); assert(wr[x] == 0); st[x] = FREE(q); rd[x] = false; body[x] = 0; slots[x] = 0
}

/* Reads the run that begins at q into the batch. One step stands for the whole reading: rd stays set until the release, so
 * a writer that came at any time in between would fail in write_slot; body shows whether one had been there before. */
inline take(q) {
  atomic {
    k = SIZE(slots[SLOT(q)]);
    assert(k == 1 || k == 2);
#ifdef LONG
    if
    :: KIND(slots[SLOT(q)]) == 0 -> skip
    :: else ->
       assert(got == BEFORE(slots[SLOT(q)]));             /* in their order, and none is missing */
       if :: KIND(slots[SLOT(q)]) < LAST -> got++ :: else -> got = 0 fi
    fi;
#endif
    assert(wr[SLOT(q)] == 0); assert(!rd[SLOT(q)]); assert(body[SLOT(q)] == q+1); rd[SLOT(q)] = true;
    if :: k == 2 -> assert(wr[SLOT(q+1)] == 0); assert(!rd[SLOT(q+1)]); assert(body[SLOT(q+1)] == q+2); rd[SLOT(q+1)] = true
       :: else fi;
    batch = batch | BIT(q)
  }
}

/* The slot x of a parked or late sequence goes to the first sequence that maps to it and that nobody has claimed: a claim
 * below it finds a foreign state and walks away. State first, then the parked word: a death in between leaves a stale
 * word, which the restart clears; the other way round the slot would be lost. */
inline unpark(x) {
  atomic { t = tail; if :: t < cur -> t = cur :: else fi; m = x; do :: m < t -> m = m + CAP :: else -> break od; t = 0 };
#ifdef WORDFIRST
  if :: parked[x] -> parked[x] = 0 :: else fi;
  atomic { give(x, m); m = 0 }
#else
  atomic { give(x, m); m = 0 };
  if :: parked[x] -> parked[x] = 0 :: else fi
#endif
}

/* A state at or below PUBLISHED(i), not parked: only the drainer may change it now, so looking for one is no step. */
inline next_unreleased() {
  do :: i < cur && (parked[SLOT(i)] != 0 || st[SLOT(i)] > PUBLISHED(i)) -> i++ :: else -> break od
}

/* After the write (by this drainer or by the one before it): slots first, then the head, then the intent is gone. */
inline release() {
  atomic { i = head; next_unreleased() };
  do
  :: atomic { i < cur -> give(SLOT(i), i+CAP); i++; next_unreleased() }
  :: else -> break
  od;
  if
  :: intent_late != 0 ->
     if
     :: st[SLOT(intent_late-1)] == PUBLISHED(intent_late-1) ->
        k = SIZE(slots[SLOT(intent_late-1)]);
#ifdef LASTFIRST
        if :: k == 2 -> unpark(SLOT(intent_late)) :: else fi;
        unpark(SLOT(intent_late-1))
#else
        unpark(SLOT(intent_late-1));                      /* what a death leaves after this one is an ownerless hole */
        if :: k == 2 -> unpark(SLOT(intent_late)) :: else fi
#endif
     :: else                                              /* a restart: done already; the rest of the run are orphans */
     fi
  :: else
  fi;
  head = cur;
  atomic { intent = false; intent_late = 0; intent_hi = 0; wrote = false; i = 0; k = 0 }
}

/* The batch, with the late sequence l (+1; 0: none), goes to the file. The words of an intent that is not valid yet mean
 * nothing, so setting them and making it valid is one step. The file is written in one step: a torn write is for the
 * code's own test, where the restarted drainer truncates to the length before. intent_lo is not needed: it is head. */
inline flush(l) {
  if
  :: batch != 0 ->
     atomic { intent_hi = cur; intent_late = l; wrote = false; intent = true };
     atomic { assert((batch & owed) == batch); owed = owed & ~batch; batch = 0; wrote = true; SAVE; RESET };
     release()
  :: else -> release()                                    /* only holes, released or parked already */
  fi
}

/* The next parked sequence (+1) of the sweep after p; 0 when there is none. The drainer alone writes the table. */
inline next_parked() {
  atomic {
    t = p; p = 0; i = 0;
    do
    :: i < CAP ->
#ifdef DESCEND
       if :: parked[i] != 0 && (t == 0 || parked[i] < t) && parked[i] > p -> p = parked[i] :: else fi;
#else
       if :: parked[i] > t && (p == 0 || parked[i] < p) -> p = parked[i] :: else fi;
#endif
       i++
    :: else -> break
    od; i = 0; t = 0
  }
}

/* Has the claimer of q left it? It must be seen to have gone as soon as it has. */
inline look_whether_walked(q) {
  atomic { w = WALKED(q); assert(w || !(left & BIT(q))) }
}

/* All floors, one by one. */
inline snapshot() {
  low = IDLE; i = 0;
  do :: i < NP -> atomic { if :: REACH(i, low) -> low = fl[i] :: else fi; i++ } :: else -> break od;
  i = 0
}

/* Goes through the parked, judging by the snapshot `low`, which is older than every state read here. */
inline sweep() {
  p = 0; next_parked();
  do
  :: p != 0 && !PASSED(p-1) -> next_parked()
  :: p != 0 && PASSED(p-1) ->
     s = st[SLOT(p-1)];
     if
#ifdef DEFER
     :: s == PUBLISHED(p-1) ->
        if :: late != 0 && late != p -> flush(late) :: else fi;
        if :: late != p -> take(p-1); late = p :: else fi
#else
     :: s == PUBLISHED(p-1) -> take(p-1); flush(p)        /* at once: the slots must be above before a hole is judged */
#endif
     :: s == FREE(p-1) && low > p-1 -> unpark(SLOT(p-1))  /* orphan */
     :: s == FREE(p-1) && low <= p-1 ->
        look_whether_walked(p-1);
        if :: w -> unpark(SLOT(p-1)) :: else fi;
        w = false
#ifdef STALE
     :: s > PUBLISHED(p-1) -> parked[SLOT(p-1)] = 0
#else
     :: s > PUBLISHED(p-1) -> assert(false)
#endif
     fi;
     next_parked()
  :: else -> break
  od
}

proctype Drainer() {
  byte cur, s, t, i, k, m, p, low; short batch; bool again, w;
#ifdef DEFER
  byte late;
#endif
  do
  :: {
    /* ---- start, or start again ---- */
    if
    :: again ->
#ifndef STALE
       do
       :: i < CAP -> atomic { if :: parked[i] != 0 && st[i] > PUBLISHED(parked[i]-1) -> parked[i] = 0 :: else fi; i++ }
       :: else -> i = 0; break
       od;
#endif
#ifndef NOJOURNAL
       if
       :: intent && wrote -> cur = intent_hi; release()
       :: else -> skip
       fi;
#endif
       atomic { intent = false; intent_late = 0; intent_hi = 0; wrote = false }
    :: else
    fi;
    cur = head;

    /* ---- the loop ---- */
    do
    :: cur > head || LATE != 0 -> flush(LATE)
    :: ANYRIPE -> snapshot(); sweep()                     /* ripe: a sweep that would do nothing is left out */
#ifdef LAP
    :: !(tail == cur && ANYRIPE) ->
#else
    :: cur < head + CAP && !(tail == cur && ANYRIPE) ->   /* nothing to read, something to sweep: sweep */
#endif
       s = st[SLOT(cur)];
       if
#ifndef OWNPARK
       :: parked[SLOT(cur)] == cur+1 -> cur++
       :: parked[SLOT(cur)] != cur+1 ->
#else
       :: true ->
#endif
          if
#if defined(LONG) && !defined(LATELAST)
          :: s == PUBLISHED(cur) ->
             do
             :: i < CAP -> atomic { w = w || (parked[i] != 0 && PASSED(parked[i]-1) && st[i] == PUBLISHED(parked[i]-1)); i++ }
             :: else -> i = 0; break
             od;
             if
             :: w -> w = false; snapshot(); sweep()       /* it is taken first */
             :: else -> take(cur); atomic { cur = cur + k; k = 0 }
             fi
#else
          :: s == PUBLISHED(cur) -> take(cur); atomic { cur = cur + k; k = 0 }
#endif
          :: s > PUBLISHED(cur) -> cur++                  /* released already */
          :: else ->
             if
             :: tail == cur ->                            /* nothing there */
                if
                :: cur > head || LATE != 0 -> flush(LATE)
                :: else ->
                   (tail != cur || QUIET || ANYRIPE);
                   if :: atomic { QUIET && tail == cur && !ANYPARKED -> ended = true }; break :: else fi
                fi
             :: tail != cur && s < FREE(cur) ->           /* void: the slot is parked */
#ifndef LAP
                assert(parked[SLOT(cur)] != 0);
#endif
                cur++
             :: tail != cur && s == FREE(cur) ->          /* a hole */
                look_whether_walked(cur);
                if
                :: w -> atomic { give(SLOT(cur), cur+CAP); cur++; w = false }
                :: else ->
                   snapshot();
#ifndef TEAR
                   sweep();
#endif
#ifndef NOREREAD
                   s = st[SLOT(cur)];
#endif
                   if
                   :: s != FREE(cur) -> skip              /* published meanwhile, or part of a run that came late */
                   :: s == FREE(cur) && low > cur -> atomic { give(SLOT(cur), cur+CAP); cur++ }       /* orphan */
                   :: s == FREE(cur) && low <= cur ->
                      if
                      :: atomic { parked[SLOT(cur)] = cur+1; cur++ }                   /* stalled too long */
                      :: cur > head || LATE != 0 -> flush(LATE)
                      :: cur == head && LATE == 0 ->      /* wait */
                         (st[SLOT(cur)] != FREE(cur) || !COVERED(cur) || WALKED(cur) || ANYRIPE)
                      fi
                   fi
                fi
             fi
          fi
       fi;
       atomic { s = 0; low = 0; p = 0 }
    od
  } unless {
    atomic { (dkill || STANDS) -> dkill = false; again = true; RECALL; cur = 0; s = 0; t = 0; i = 0; k = 0; m = 0; p = 0; low = 0; batch = 0; w = false; RESET;
      do :: i < CAP -> rd[i] = false; i++ :: else -> i = 0; break od }
  };
  if :: ended || STANDS -> break :: else fi
  od;
#ifdef STOP
  if :: stopped -> goto over :: else fi;
#endif
#ifdef LONG
  assert(got == 0 || dead[0] || untold);                  /* no record is held for ever */
#endif
  assert(head == tail); assert(owed == 0); assert(!ANYPARKED);
  do                         /* nothing is leaked: each slot waits for the next sequence that maps to it */
  :: i < CAP ->
     m = i; do :: m < tail -> m = m + CAP :: else -> break od;
     assert(st[i] == FREE(m)); i++
  :: else -> break
  od;
#ifdef STOP
over: skip
#endif
}

/* ======================================== the world ======================================== */

inline kill(v) {
  dead[v] = true; pkills--;
#ifdef SIGNAL
  if :: v == 0 -> handling = false :: else fi;            /* the handler dies with its thread */
#endif
  if :: wr[0] == v+1 -> wr[0] = 0 :: else fi;
  if :: wr[1] == v+1 -> wr[1] = 0 :: else fi;
#if CAP > 2
  if :: wr[2] == v+1 -> wr[2] = 0 :: else fi;
#endif
#if CAP > 3
  if :: wr[3] == v+1 -> wr[3] = 0 :: else fi;
#endif
}

proctype Nemesis() {
end:
  do
  :: atomic { pkills > 0 && !done[0] && !dead[0] -> kill(0) }
  :: atomic { pkills > 0 && !done[1] && !dead[1] -> kill(1) }
#if NP==3
  :: atomic { pkills > 0 && !done[2] && !dead[2] -> kill(2) }
#endif
  :: atomic { dkills > 0 && !dkill && !ended -> dkills--; dkill = true }
#ifdef STOP
  :: atomic { !stopped && !ended -> stopped = true }
#endif
  od
}

init {
  byte i;
  atomic {
    do :: i < CAP -> st[i] = FREE(i); i++ :: else -> break od;
    fl[0] = IDLE; fl[1] = IDLE; i = 0;
    run Producer(0, REC0, RUN0); run Producer(1, REC1, RUN1);
#if NP==3
    fl[2] = IDLE; run Producer(2, REC2, RUN2);
#endif
#ifdef SIGNAL
    run Handler(0, 1);
#endif
    run Drainer(); run Nemesis()
  }
}
