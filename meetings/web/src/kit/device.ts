// A database on this device, opened when it is first used, and anew where its connection was lost: another tab that signs out
// wipes it, and browsers drop it while a tablet sleeps.
import { openDB, type DBSchema, type IDBPDatabase } from 'idb'

const PATIENCE = 2000 // ms: some browsers never answer, and what waits for the device would wait for ever

export class DeviceStore<Shape extends DBSchema> {
  #opening: Promise<IDBPDatabase<Shape>> | undefined

  constructor(
    readonly name: string,
    readonly make: (fresh: IDBPDatabase<Shape>) => void,
  ) {}

  /** Does `deed` with the database; throws where the device keeps nothing. */
  async use<T>(deed: (db: IDBPDatabase<Shape>) => Promise<T>, again = true): Promise<T> {
    const opening = (this.#opening ??= this.#open())
    const forget = (): void => {
      if (this.#opening === opening) this.#opening = undefined
    }
    const db = await inTime(opening).catch((error: unknown) => {
      forget()
      throw error
    })
    try {
      return await deed(db)
    } catch (error) {
      if (!again || (error as Error).name !== 'InvalidStateError') throw error
      forget()
      return this.use(deed, false)
    }
  }

  #open(): Promise<IDBPDatabase<Shape>> {
    return openDB<Shape>(this.name, 1, {
      upgrade: (fresh) => this.make(fresh),
      blocking: (_from, _to, event) => (event.target as IDBDatabase).close(), // signing out wipes the device
    })
  }
}

function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, fail) => (timer = setTimeout(() => fail(new Error('the device does not answer')), PATIENCE)))
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}
